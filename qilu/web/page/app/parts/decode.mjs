// Every decoding of raw words: types and orders of bytes and words. Pure.

export const ORDERS = ["ABCD", "CDAB", "BADC", "DCBA"];

const SIZES = { bool: 1, int16: 1, uint16: 1, int32: 2, uint32: 2, float32: 2, int64: 4, uint64: 4, float64: 4 };
export const TYPES = ["uint16", "int16", "uint32", "int32", "float32", "uint64", "int64", "float64"];

export const sizeOf = (type) => SIZES[type] ?? 1;

/** ABCD: big-endian; CDAB: words swapped; BADC: bytes swapped; DCBA: both. */
export function orderName(byteOrder, wordOrder) {
  const little = (order) => /little|swap|low|lsw/i.test(String(order ?? ""));
  return little(byteOrder) ? (little(wordOrder) ? "DCBA" : "BADC") : little(wordOrder) ? "CDAB" : "ABCD";
}

function arranged(words, order) {
  const swapWords = order === "CDAB" || order === "DCBA";
  const swapBytes = order === "BADC" || order === "DCBA";
  const view = new DataView(new ArrayBuffer(words.length * 2));
  (swapWords ? words.slice().reverse() : words).forEach((word, index) => view.setUint16(index * 2, word, swapBytes));
  return view;
}

/** The value of words as a type, or null where there are too few of them. */
export function decode(words, type, order) {
  const size = sizeOf(type);
  if (words.length < size) return null;
  const view = arranged(words.slice(0, size), order);
  switch (type) {
    case "uint16": return view.getUint16(0);
    case "int16": return view.getInt16(0);
    case "uint32": return view.getUint32(0);
    case "int32": return view.getInt32(0);
    case "float32": return view.getFloat32(0);
    case "uint64": return view.getBigUint64(0);
    case "int64": return view.getBigInt64(0);
    case "float64": return view.getFloat64(0);
    default: return null;
  }
}

export function decodedText(value) {
  if (value === null) return "–";
  if (typeof value === "bigint" || (Number.isInteger(value) && Math.abs(value) < 1e15)) return String(value);
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-3 || size >= 1e9) ? value.toExponential(4) : String(Number(value.toPrecision(7)));
}

export const hex = (word) => word.toString(16).toUpperCase().padStart(4, "0");
export const binary = (word) => word.toString(2).padStart(16, "0").replace(/(.{4})(?=.)/g, "$1 ");

/** Printable characters of the words, two each, a dot for everything else. */
export const characters = (words) => words.flatMap((word) => [word >> 8, word & 255])
  .map((code) => (code >= 32 && code < 127 ? String.fromCharCode(code) : "·")).join("");
