import type { Report } from '../_util/report.ts';
import type { Row } from '../_util/table.ts';
import type { Endpoint } from './chat-client.ts';
import { startChild } from './child.ts';
import type { Child } from './child.ts';
import { drive } from './drive.ts';
import type { Drive, Load } from './drive.ts';
import type { Plan } from './protocol.ts';

/** A way from the client to the upstream stand-in; `child` is the process in between. */
interface Way {
  readonly name: string;
  readonly endpoint: Endpoint;
  readonly child: Child | null;
}

interface Case extends Load {
  readonly name: string;
  /** Each way counts as in its quietest round: whatever else the machine does can only slow it down. */
  readonly rounds: number;
}

interface Driven extends Drive {
  readonly way: string;
  readonly cpuUs: number | null;
}

const WHOLE: Plan = { deltas: 100, deltasPerSecond: null };
const CASES: readonly Case[] = [
  { name: '1 client, whole answers', clients: 1, seconds: 1, rounds: 3, plan: WHOLE },
  { name: '200 clients, whole answers', clients: 200, seconds: 1, rounds: 3, plan: WHOLE },
  {
    name: '1 stream, 500 deltas/s',
    clients: 1,
    seconds: 2,
    rounds: 2,
    plan: { deltas: 50, deltasPerSecond: 500 },
  },
  {
    name: '200 streams, 10 deltas/s',
    clients: 200,
    seconds: 6,
    rounds: 1,
    plan: { deltas: 40, deltasPerSecond: 10 },
  },
];
const WARM_UP: Load = { clients: 20, seconds: 1, plan: WHOLE };

/** Chats through the built server, through a bare relay, and with the upstream stand-in directly. */
export async function benchStream(): Promise<Report> {
  const children: Child[] = [];
  const start = async (program: string, env: NodeJS.ProcessEnv = {}): Promise<Child> => {
    const child = await startChild(program, env);
    children.push(child);
    return child;
  };
  try {
    const upstream = await start('./upstream.js');
    const origin = `http://127.0.0.1:${upstream.port}`;
    const relay = await start('./relay.js', { UPSTREAM: origin });
    const server = await start('../../src/main.js', {
      PORT: '0',
      HOST: '127.0.0.1',
      CHATGPT_BASE_URL: origin,
    });
    const ways: Way[] = [
      { name: 'direct (baseline)', endpoint: backendEndpoint(upstream.port), child: null },
      { name: 'bare relay (floor)', endpoint: backendEndpoint(relay.port), child: relay },
      { name: 'chat2api', endpoint: openaiEndpoint(server.port), child: server },
    ];
    for (const way of ways) await driveWay(upstream, way, WARM_UP);
    const rows: Row[] = [];
    for (const load of CASES) rows.push(...(await driveCase(upstream, ways, load)));
    return { title: 'chats through the built server; stand-in, server and driver share the cores', rows };
  } finally {
    for (const child of children) child.stop();
  }
}

async function driveCase(upstream: Child, ways: readonly Way[], load: Case): Promise<Row[]> {
  const quietest = new Map<Way, Driven>();
  for (let round = 0; round < load.rounds; round += 1) {
    for (const way of ways) {
      const driven = await driveWay(upstream, way, load);
      const best = quietest.get(way);
      if (best === undefined || driven.chats / driven.seconds > best.chats / best.seconds) {
        quietest.set(way, driven);
      }
    }
  }
  const all = [...quietest.values()];
  return all.map((driven) => toRow(load, driven, all[0] ?? driven));
}

async function driveWay(upstream: Child, { name, endpoint, child }: Way, load: Load): Promise<Driven> {
  await upstream.plan(load.plan);
  const before = (await child?.cpuUs()) ?? null;
  const result = await drive(endpoint, load);
  const after = (await child?.cpuUs()) ?? null;
  return { ...result, way: name, cpuUs: before === null || after === null ? null : after - before };
}

function toRow({ name, plan }: Case, driven: Driven, direct: Driven): Row {
  const { way, chats, seconds, cpuUs, firstTextMs } = driven;
  // The checked chat cost its part as well.
  const cpuPerChat = cpuUs === null ? null : cpuUs / (chats + 1);
  return {
    case: name,
    way,
    'chats/s': chats / seconds,
    '× direct': chats / seconds / (direct.chats / direct.seconds),
    'CPU µs/chat': cpuPerChat,
    'CPU µs/event': cpuPerChat === null ? null : cpuPerChat / plan.deltas,
    'first text p50 ms': firstTextMs.p50,
    'p99 ms': firstTextMs.p99,
    'added p50 ms': driven === direct ? null : firstTextMs.p50 - direct.firstTextMs.p50,
    'added p99 ms': driven === direct ? null : firstTextMs.p99 - direct.firstTextMs.p99,
  };
}

function backendEndpoint(port: number): Endpoint {
  return {
    port,
    path: '/backend-anon/conversation',
    body: '{}',
    readText: (event) => {
      const { v } = event as { v?: unknown };
      return typeof v === 'string' ? v : '';
    },
  };
}

function openaiEndpoint(port: number): Endpoint {
  return {
    port,
    path: '/v1/chat/completions',
    body: JSON.stringify({
      model: 'gpt-4o-mini',
      stream: true,
      messages: [{ role: 'user', content: 'Say something long about proxies.' }],
    }),
    readText: (event) =>
      (event as { choices: [{ delta: { content?: string } }] }).choices[0].delta.content ?? '',
  };
}
