import { availableParallelism, cpus, loadavg } from 'node:os';

/** What a figure depends on and what may be told of a machine. */
export interface Machine {
  readonly cores: number;
  readonly cpu: string;
  readonly node: string;
  readonly platform: string;
  /** How many wanted the processor in the last minute, the bench included. */
  readonly load: number;
}

export function describeMachine(): Machine {
  return {
    cores: availableParallelism(),
    cpu: cpus()[0]?.model ?? 'unknown',
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    load: loadavg()[0] ?? 0,
  };
}
