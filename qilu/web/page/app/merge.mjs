// Differences of topics: JSON merge patches (RFC 7396), cells of a table, events to append. Pure.

const MAX_EVENTS = 500;

/** A new object with the patch applied; parts that the patch does not name are shared with the former one. */
export function mergePatch(former, patch) {
  if (patch === null || typeof patch !== "object" || Array.isArray(patch)) return patch;
  const merged = former !== null && typeof former === "object" && !Array.isArray(former) ? { ...former } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else merged[key] = mergePatch(merged[key], value);
  }
  return merged;
}

function withCells(table, cells) {
  const rows = table.rows.slice();
  const copied = new Set();
  for (const [row, column, value] of cells) {
    if (!copied.has(row)) {
      rows[row] = rows[row].slice();
      copied.add(row);
    }
    rows[row][column] = value;
  }
  return { ...table, rows };
}

/** The state of a topic after a message of changes. */
export function applyChanges(former, changes) {
  if (Array.isArray(changes.cells) && former.rows) {
    const { cells, ...others } = changes;
    return withCells(mergePatch(former, others), cells);
  }
  if (Array.isArray(changes.append) && former.events) {
    const known = new Set(former.events.map((event) => event.id));
    const fresh = changes.append.filter((event) => !known.has(event.id));
    const events = [...fresh, ...former.events].sort((a, b) => b.time_ms - a.time_ms);
    return { ...former, events: events.slice(0, MAX_EVENTS) };
  }
  return mergePatch(former, changes);
}
