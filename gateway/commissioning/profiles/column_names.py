"""The columns that a list of points may have, in the words that manuals and exports use for them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

COLUMNS: Mapping[str, str] = {
    "name": "name tag tagname pointname variable variablename signal id 变量名 点名 标签 标识 参数名",
    "label": (
        "label description desc comment remark text title parameter designation 描述 说明 备注 名称 "
        "中文名 参数 参数名称 变量"
    ),
    "label_zh": "labelzh zh chinese 中文 中文名称 中文描述",
    "table": (
        "table area registertype regtype memory memoryarea objecttype space 寄存器类型 寄存器区 存储区 区域"
    ),
    "function": "function functioncode fc fn func readfunction 功能码 读功能码",
    "address": (
        "address addr register reg registeraddress modbusaddress modbusregister registernumber "
        "startaddress start 地址 寄存器 寄存器地址 起始地址 寄存器号"
    ),
    "type": "type datatype format dataformat valuetype encoding 类型 数据类型 数据格式",
    "length": (
        "length len registers count size words quantity numberofregisters 长度 寄存器数 寄存器个数 数量"
    ),
    "bit": "bit bitnumber bitoffset bitposition 位 位号 位偏移",
    "byte_order": "byteorder endian endianness 字节序 字节顺序",
    "word_order": "wordorder swap wordswap registerorder order 字序 字顺序 寄存器顺序",
    "scale": (
        "scale factor multiplier gain scaling scalefactor resolution coefficient ratio weight 倍率 "
        "系数 比例 缩放 分辨率 精度"
    ),
    "offset": "valueoffset scaleoffset bias zero 偏移 偏移量 零点",
    "unit": "unit units engunit engineeringunit uom 单位",
    "min": "min minimum low lowlimit rangemin 最小 最小值 下限",
    "max": "max maximum high highlimit rangemax 最大 最大值 上限",
    "sentinels": "sentinels sentinel invalid novalue nan errorvalue 无效值",
    "enum": "enum enumeration values states codes valuemap 枚举 枚举值 取值",
    "access": "access rw r/w readwrite read/write mode permission attribute 读写 权限 访问 属性",
    "group": "group pollgroup scanclass rate 组 分组 采集组",
    "kind": "kind class pointkind",
}
"""Key -> the headings that mean it: compared without case, spaces and marks."""

_BY_WORD = {word: key for key, words in COLUMNS.items() for word in (key.replace("_", ""), *words.split())}

TYPES: Mapping[str, str] = {
    "bool": "bool boolean bit digital discrete coil 布尔 开关量 位",
    "uint16": (
        "uint16 u16 uint word ushort unsigned unsigned16 uint16be 16bituint 16bitunsigned 无符号16位 "
        "无符号整型 字"
    ),
    "int16": (
        "int16 i16 s16 int short integer signed signed16 smallint sint16 16bitint 16bitsigned "
        "有符号16位 整型 短整型"
    ),
    "uint32": (
        "uint32 u32 udint dword ulong unsigned32 unsignedlong uint32be 32bituint 32bitunsigned "
        "无符号32位 双字"
    ),
    "int32": "int32 i32 s32 dint long signed32 signedlong sint32 32bitint 32bitsigned 有符号32位 长整型",
    "uint64": "uint64 u64 ulint qword unsigned64 无符号64位",
    "int64": "int64 i64 s64 lint longlong signed64 有符号64位",
    "float32": (
        "float32 float f32 real single ieee754 float32be 32bitfloat 浮点 浮点型 浮点数 单精度 "
        "单精度浮点 32位浮点"
    ),
    "float64": "float64 double f64 lreal 64bitfloat 双精度 双精度浮点 64位浮点",
    "uint24": "uint24 u24",
    "int24": "int24 i24 s24",
    "uint48": "uint48 u48",
    "int48": "int48 i48 s48",
    "bcd16": "bcd bcd16",
    "bcd32": "bcd32",
    "bcd64": "bcd64",
    "string": "string str char ascii text utf8 字符串",
}
"""Type of a profile -> the words that mean it."""

_TYPES_BY_WORD = {word: kind for kind, words in TYPES.items() for word in words.split()}

TABLES: Mapping[str, str] = {
    "coil": "coil coils c do digitaloutput discreteoutput 0x 线圈 0x区",
    "discrete": "discrete discreteinput discreteinputs di digitalinput contact 1x 离散输入 离散量输入 1x区",
    "input": "input inputs inputregister inputregisters ir ai analoginput 3x 输入寄存器 3x区",
    "holding": "holding holdings holdingregister holdingregisters hr register 4x 保持寄存器 4x区",
}
_TABLES_BY_WORD = {word: table for table, words in TABLES.items() for word in words.split()}

ACCESS: Mapping[str, str] = {
    "read": "read r ro readonly 读 只读",
    "write": "write w wo writeonly 写 只写",
    "read_write": "readwrite read/write rw wr r/w 读写 可读写 可读可写",
}
_ACCESS_BY_WORD = {word: access for access, words in ACCESS.items() for word in words.split()}


def plain(text: str) -> str:
    """Without case, spaces, what stands in brackets, and marks: how headings are compared."""
    without = re.sub(r"[(\[（【].*?[)\]）】]", "", text)
    return re.sub(r"[^\w/]|_", "", without).lower()


def column_of(heading: str) -> str | None:
    return _BY_WORD.get(plain(heading))


def columns_of(headings: Sequence[str]) -> dict[str, int]:
    """Key -> its column; where two mean the same, the first one."""
    columns: dict[str, int] = {}
    for index, heading in enumerate(headings):
        key = column_of(heading)
        if key is not None:
            columns.setdefault(key, index)
    if "address" not in columns and "offset" in columns:
        columns["address"] = columns.pop("offset")  # in lists without another address it is meant so
    return columns


def type_of(word: str) -> str | None:
    return _TYPES_BY_WORD.get(plain(word))


def table_of(word: str) -> str | None:
    return _TABLES_BY_WORD.get(plain(word))


def access_of(word: str) -> str | None:
    return _ACCESS_BY_WORD.get(plain(word))
