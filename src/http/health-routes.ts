import type { Route } from './router.ts';

/** Counts for whoever looks at `/readyz`, by what is counted. */
export type ReadyFigures = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** Alive: the process answers. Ready: it can serve; `unreadyReasons` says why not. */
export function healthRoutes(
  unreadyReasons: () => readonly string[],
  figures: () => ReadyFigures,
): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/healthz',
      whileDraining: true,
      handler: (_request, reply) => reply.json(200, { status: 'ok' }),
    },
    {
      method: 'GET',
      path: '/readyz',
      whileDraining: true,
      handler: (_request, reply) => {
        const reasons = unreadyReasons();
        if (reasons.length === 0) reply.json(200, { status: 'ready', ...figures() });
        else reply.json(503, { status: 'unready', reasons, ...figures() });
      },
    },
  ];
}
