import { availableParallelism, cpus, loadavg } from 'node:os';
import { nodeUnderLoad } from './node-under-load.ts';

/** What a figure depends on and what may be told of a machine. */
export interface Machine {
  readonly cores: number;
  readonly cpu: string;
  /** Of the bench itself. */
  readonly node: string;
  /** Of the programs that it puts under load. */
  readonly nodeUnderLoad: string;
  readonly platform: string;
  /** How many wanted the processor in the last minute, the bench included. */
  readonly load: number;
}

export function describeMachine(): Machine {
  return {
    cores: availableParallelism(),
    cpu: cpus()[0]?.model ?? 'unknown',
    node: process.version,
    nodeUnderLoad: nodeUnderLoad.version,
    platform: `${process.platform}-${process.arch}`,
    load: loadavg()[0] ?? 0,
  };
}
