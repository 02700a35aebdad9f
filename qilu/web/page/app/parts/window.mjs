// Which rows of a long list are near the part of the page that is seen: only those are in the document.

import { useEffect, useRef, useState } from "preact/hooks";

const MARGIN_ROWS = 8;

/** [ref of the list, first row, end row] for rows of one height inside a scrolling element. */
export function useWindow(count, rowHeight) {
  const ref = useRef(null);
  const [range, setRange] = useState([0, 40]);
  useEffect(() => {
    const element = ref.current;
    if (!element) return undefined;
    let frame = 0;
    const look = () => {
      frame = 0;
      const first = Math.max(0, Math.floor(element.scrollTop / rowHeight) - MARGIN_ROWS);
      const end = Math.min(count, Math.ceil((element.scrollTop + element.clientHeight) / rowHeight) + MARGIN_ROWS);
      setRange((former) => (former[0] === first && former[1] === end ? former : [first, end]));
    };
    const ask = () => { frame ||= requestAnimationFrame(look); };
    look();
    element.addEventListener("scroll", ask, { passive: true });
    addEventListener("resize", ask);
    return () => {
      cancelAnimationFrame(frame);
      element.removeEventListener("scroll", ask);
      removeEventListener("resize", ask);
    };
  }, [count, rowHeight]);
  return [ref, Math.min(range[0], count), Math.min(range[1], count)];
}
