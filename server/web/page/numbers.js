// Numbers in text.

// rounded returns three digits of a number.
export const rounded = (v) => String(Number(v.toPrecision(3))).replace("-", "−");
