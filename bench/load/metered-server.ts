import { register } from 'node:module';

// The server as `npm start` runs it; with METERS=off without its meters. A loader watches in both cases,
// so that the thread it runs on is no difference.

const isOff = process.env['METERS'] === 'off';
register(isOff ? './meters-off.js' : './no-hooks.js', import.meta.url);
await import('../../src/main.ts');
