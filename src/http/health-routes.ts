import type { Route } from './router.ts';

/** Alive: the process answers. Ready: it can serve; `unreadyReasons` says why not. */
export function healthRoutes(unreadyReasons: () => readonly string[]): readonly Route[] {
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
        if (reasons.length === 0) reply.json(200, { status: 'ready' });
        else reply.json(503, { status: 'unready', reasons });
      },
    },
  ];
}
