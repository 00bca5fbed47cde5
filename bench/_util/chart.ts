/** Curves over logarithmic axes. */
export interface Chart {
  readonly title: string;
  /** What the axes show, with units. */
  readonly x: string;
  readonly y: string;
  readonly series: readonly Series[];
}

export interface Series {
  readonly name: string;
  readonly points: readonly Point[];
}

/** A value and the range it was found in. */
export interface Point {
  readonly x: number;
  readonly y: number;
  readonly from: number;
  readonly to: number;
}
