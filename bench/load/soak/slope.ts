/** A straight line through samples. */
export interface Slope {
  /** In units of y for one of x. */
  readonly perUnit: number;
  /** The standard error of `perUnit`. */
  readonly error: number;
}

/** Least squares; at least three samples. */
export function fitSlope(samples: readonly (readonly [x: number, y: number])[]): Slope {
  const count = samples.length;
  const meanX = samples.reduce((sum, [x]) => sum + x, 0) / count;
  const meanY = samples.reduce((sum, [, y]) => sum + y, 0) / count;
  const spread = samples.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  const perUnit = samples.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0) / spread;
  const rest = samples.reduce((sum, [x, y]) => sum + (y - meanY - perUnit * (x - meanX)) ** 2, 0);
  return { perUnit, error: Math.sqrt(rest / (count - 2) / spread) };
}
