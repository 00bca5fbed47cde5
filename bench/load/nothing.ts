// What every program in Node.js has to wait for.
process.stdout.write(`${JSON.stringify({ port: 0 })}\n`);
