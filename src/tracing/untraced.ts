import type { Tracing } from './tracing.ts';

/** What the program is made of, as it is. */
export type Traced = Pick<Tracing, 'exchange' | 'proofs' | 'ports' | 'complete' | 'close'> &
  Partial<Pick<Tracing, 'around'>>;

/** No spans, and nothing in the way. */
export const UNTRACED: Traced = {
  exchange: (exchange) => exchange,
  proofs: (pool) => pool,
  ports: (ports) => ports,
  complete: (complete) => complete,
  close: async () => {},
};
