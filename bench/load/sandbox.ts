import { createSandbox } from '../../src/sandbox/server.ts';

// The stand-in backend in a process of its own, as the load benches start their processes.

const { port } = await createSandbox({ host: '127.0.0.1', port: 0 }).listen();
process.stdout.write(`${JSON.stringify({ port })}\n`);
