import type { Route } from './router.ts';

export interface MetricsPage {
  readonly contentType: string;
  render(): Promise<string>;
}

/** `GET /metrics`, also while the server drains: that is when somebody looks. */
export function metricsRoute(page: MetricsPage): Route {
  return {
    method: 'GET',
    path: '/metrics',
    whileDraining: true,
    handler: async (_request, reply) => {
      reply.send(200, await page.render(), [
        ['content-type', page.contentType],
        ['cache-control', 'no-store'],
      ]);
    },
  };
}
