import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startGateway } from './_util/gateway.ts';
import type { Peer } from './peer.ts';

const PROGRAM = '/usr/sbin/nginx';

/** Debian's nginx lets the backend's stream through unchanged: the floor of what a proxy costs. */
export const nginx: Peer = {
  name: 'nginx (passthrough)',
  upstream: 'backend',
  ask: {
    path: '/backend-anon/conversation',
    body: {
      action: 'next',
      model: 'auto',
      messages: [
        {
          id: '8f4a2c0e-5d1b-4b7e-9c35-2a6f0d8e1b47',
          author: { role: 'user' },
          content: { content_type: 'text', parts: ['Say something long about proxies.'] },
        },
      ],
      parent_message_id: 'client-created-root',
      history_and_training_disabled: true,
      supported_encodings: ['v1'],
    },
    headers: {},
  },
  async start(upstreamOrigin, core) {
    if (!existsSync(PROGRAM)) throw new Error(`there is no ${PROGRAM}: apt-get install nginx-light`);
    return startGateway(core, (port, scratch) => {
      const config = join(scratch, 'nginx.conf');
      writeFileSync(config, toConfig(port, new URL(upstreamOrigin).host, scratch));
      return { command: [PROGRAM, '-p', scratch, '-e', 'stderr', '-c', config] };
    });
  },
};

/**
 * The number of connections is bound by that of descriptors; each takes memory from the start. Those to the
 * stand-in are kept and reused, as the other gateways do.
 */
function toConfig(port: number, upstream: string, scratch: string): string {
  const isRoot = process.getuid?.() === 0;
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `${isRoot ? 'user root;\n' : ''}daemon off;
worker_processes 1;
pid ${scratch}/nginx.pid;
error_log stderr crit;
events {
  worker_connections 20000;
}
http {
  access_log off;
  tcp_nodelay on;
  keepalive_requests 1000000;
${temporary.map((name) => `  ${name}_temp_path ${scratch}/${name};\n`).join('')}
  upstream stand_in {
    server ${upstream};
    keepalive 10000;
    keepalive_requests 1000000;
  }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      proxy_pass http://stand_in;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 1h;
      proxy_send_timeout 1h;
    }
  }
}
`;
}
