import { litellm } from './litellm.ts';
import { nginx } from './nginx.ts';
import { original } from './original.ts';
import type { Peer } from './peer.ts';
import { createPortkey } from './portkey.ts';

/** The floor first. What is not there yet is installed when a gateway is started for the first time. */
export function peers(): readonly Peer[] {
  return [nginx, createPortkey(), litellm, original];
}
