// Rows of the list of devices: read from columns, filtered, sorted, grouped. Pure.

const ORDER = { fault: 0, warning: 1, unknown: 2, normal: 3 };

/** One object for each row of the topic `devices`; `lines`: what people call the production lines. */
export function readRows({ columns, rows }, lines = {}) {
  return rows.map((row) => {
    const named = Object.fromEntries(columns.map((column, index) => [column, row[index]]));
    return { ...named, lineLabel: lines[named.line] };
  });
}

const textOf = (row) => [row.device, row.label?.zh, row.label?.en, row.place?.zh ?? row.place, row.place?.en, row.line, row.lineLabel?.zh,
  row.lineLabel?.en, row.profile,  row.endpoint, row.reason, row.state].filter((part) => typeof part === "string").join(" ").toLowerCase();

export function filterRows(rows, { text = "", abnormal = false, state = "" }) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return rows.filter((row) => (!abnormal || row.level !== "normal") && (!state || row.state === state)
    && (words.length === 0 || words.every((word) => textOf(row).includes(word))));
}

const collator = new Intl.Collator(undefined, { numeric: true });

export const errorCount = (errors) => (typeof errors === "object" && errors !== null
  ? Object.values(errors).reduce((sum, count) => sum + count, 0) : Number(errors ?? 0));

function keyOf(row, column) {
  if (column === "state") return ORDER[row.level] ?? 2;
  if (column === "errors") return errorCount(row.errors);
  return row[column] ?? -1;
}

/** A sorted copy; equal rows stay in their order. `column` "worst": by level. */
export function sortRows(rows, column, descending) {
  const sign = descending ? -1 : 1;
  const compare = (a, b) => {
    const [left, right] = [keyOf(a, column), keyOf(b, column)];
    if (typeof left === "string" || typeof right === "string") return collator.compare(String(left), String(right));
    return left === right ? 0 : left - right;
  };
  return rows.slice().sort((a, b) => sign * compare(a, b));
}

/** Rows with a heading before each line: [{heading, count, abnormal}, row, ...]. */
export function groupRows(rows) {
  const lines = new Map();
  for (const row of rows) {
    const line = row.line ?? "";
    if (!lines.has(line)) lines.set(line, []);
    lines.get(line).push(row);
  }
  return [...lines].flatMap(([line, members]) => [
    { heading: line, count: members.length, abnormal: members.filter((row) => row.level !== "normal").length },
    ...members,
  ]);
}
