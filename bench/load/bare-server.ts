import { loadUws } from '../../src/http/uws.ts';

// The least that can be called a server here: the native library, and nothing behind it.

const { uws } = loadUws();
uws.App().listen('127.0.0.1', 0, uws.LIBUS_LISTEN_EXCLUSIVE_PORT, (socket) => {
  const port = socket === false ? null : uws.us_socket_local_port(socket);
  process.stdout.write(`${JSON.stringify({ port })}\n`);
});
