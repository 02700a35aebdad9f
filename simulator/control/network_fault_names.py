"""Plain names of network faults, and what a gateway shows of them, in Chinese and English; a pure table."""

from __future__ import annotations

from collections.abc import Mapping

from qilu.contract.profile.point import Label
from simulator.control.fault_names import FaultText

_MARKED = ("这些值标为坏，原因可见", "the values are bad, with their reason")
_REPEATED = ("报文被识别为错误并重发请求", "the reply is found wrong and asked for again")
_LATE = ("往返时间变长，可能超时", "round trips become longer and may time out")
_RECONNECT = ("断线重连，期间的值标为坏", "the connection is made again; values meanwhile are bad")
_WRONG = ("数值本身错误，需靠校验发现", "the values themselves are wrong; only a check finds them")
_LEARNED = ("网关学到限制并改用能读的请求", "the gateway learns the limit and sends requests that work")


def _fault(zh: str, en: str, expect: tuple[str, str]) -> FaultText:
    return FaultText(Label(zh=zh, en=en), Label(zh=expect[0], en=expect[1]))


NETWORK_FAULTS: Mapping[str, FaultText] = {
    "exception": _fault("异常响应", "exception replies", _MARKED),
    "partial_illegal": _fault("部分地址不存在", "some addresses do not exist", _LEARNED),
    "block_limit": _fault("单次读取个数受限", "blocks limited in size", _LEARNED),
    "no_read": _fault("不可读的地址", "addresses that must not be read", _LEARNED),
    "no_limits": _fault("设备不检查地址范围", "a device that checks nothing", _WRONG),
    "dead_unit": _fault(
        "从站无应答",
        "a unit without reply",
        ("该设备离线，其余设备照常", "this device is offline, the others go on"),
    ),
    "unit_zero_only": _fault(
        "只认站号 0", "replies to unit id 0 only", ("原站号超时", "the set unit id times out")
    ),
    "byte_count": _fault("字节数不符", "wrong byte count", _REPEATED),
    "wrong_function": _fault("功能码不符", "wrong function code", _REPEATED),
    "write_echo": _fault(
        "写确认不符", "wrong confirmation of writes", ("写入被报告为失败", "the write is reported as failed")
    ),
    "write_not_applied": _fault(
        "写入未生效", "writes without effect", ("回读发现写入未生效", "a read-back finds the old value")
    ),
    "slow": _fault("设备响应慢", "a slow device", _LATE),
    "late_reply": _fault("回复迟到", "late replies", _LATE),
    "split": _fault(
        "报文分段到达", "replies in pieces", ("无影响：报文被重新拼接", "no effect: the pieces are joined")
    ),
    "coalesce": _fault(
        "报文粘连", "replies joined together", ("无影响：报文被拆开", "no effect: the replies are parted")
    ),
    "out_of_order": _fault(
        "回复乱序", "replies out of order", ("无影响：按事务号配对", "no effect: transaction ids pair them")
    ),
    "needs_gap": _fault("请求间隔不足则丢失", "requests need a gap", _LEARNED),
    "wrong_transaction": _fault("事务号错误", "wrong transaction id", _REPEATED),
    "wrong_unit": _fault("站号错误", "wrong unit id", _REPEATED),
    "crossed_masters": _fault("总线上有第二个主站", "a second master on the line", _REPEATED),
    "truncate": _fault("报文缺尾", "truncated replies", _REPEATED),
    "bad_length": _fault("报文头长度错误", "wrong length in the header", _RECONNECT),
    "garbage": _fault("报文中混入杂波", "garbage on the line", _REPEATED),
    "reset": _fault("连接被重置", "connection reset", _RECONNECT),
    "half_open": _fault("连接假死", "half-open connection", _RECONNECT),
    "idle_close": _fault(
        "空闲断开", "closed when idle", ("自动重连，一般不缺数", "it is made again, mostly without a gap")
    ),
    "client_limit": _fault("客户端数受限", "limited number of clients", _RECONNECT),
    "power_cycle": _fault("设备断电重启", "power cycle", _RECONNECT),
    "word_swap": _fault("字序颠倒", "words swapped", _WRONG),
    "off_by_one": _fault("地址错位", "addresses off by one", _WRONG),
    "sentinel": _fault("返回无效值标记", "no-value patterns", _MARKED),
    "counter_rollover": _fault(
        "计数器溢出归零", "counter rolls over", ("累计量按溢出接续", "totals go on over the roll-over")
    ),
    "counter_reset": _fault(
        "计数器清零", "counter reset", ("累计量接续，记一次复位", "totals go on, and a reset is noted")
    ),
    "counter_glitch": _fault(
        "计数器偶尔读到 0", "counter glitches", ("孤立的 0 不计入累计", "a single 0 does not count")
    ),
    "torn": _fault("长数值被拆读", "torn values", _WRONG),
    "frozen": _fault(
        "设备数据冻结",
        "frozen device",
        ("数值不再变化，标为存疑", "values no longer change and become uncertain"),
    ),
}
"""Network fault -> its name and what a gateway shows."""
