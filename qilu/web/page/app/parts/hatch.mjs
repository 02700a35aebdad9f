// Drawing on canvases: hatched stretches with their reason, ticks of bad values, bands. No state.

export function hatch(context, x, y, width, height, color, distance = 7) {
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  context.strokeStyle = color;
  context.lineWidth = 1;
  context.beginPath();
  for (let start = x - height - ((x - height) % distance); start < x + width; start += distance) {
    context.moveTo(start, y + height);
    context.lineTo(start + height, y);
  }
  context.stroke();
  context.restore();
}

/** A text in the middle of a stretch, where it has room; `ground` is painted behind it. */
export function labelInside(context, text, x, y, width, color, font, ground = null) {
  context.save();
  context.font = font;
  const length = context.measureText(text).width;
  if (length + 8 < width) {
    if (ground) {
      context.fillStyle = ground;
      const height = Number.parseFloat(font) * 1.4;
      context.fillRect(x + (width - length) / 2 - 4, y - height * 0.15, length + 8, height);
    }
    context.fillStyle = color;
    context.textAlign = "center";
    context.textBaseline = "top";
    context.fillText(text, x + width / 2, y);
  }
  context.restore();
}

export function cssColor(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

export const FONT = 'system-ui, -apple-system, "Segoe UI", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "WenQuanYi Micro Hei", sans-serif';
