import { createRequire } from 'node:module';
import type { Client as ClientClass, errors as errorClasses } from 'undici';

// The two parts of undici that we use. Its entry loads 91 modules besides (fetch, caches, mocks), which
// took 75 of 105 ms of processor time at each start.

const require = createRequire(import.meta.url);

export const Client = require('undici/lib/dispatcher/client.js') as typeof ClientClass;
export const errors = require('undici/lib/core/errors.js') as typeof errorClasses;
