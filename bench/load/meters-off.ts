import type { LoadHook } from 'node:module';

// For `register`: the server without its meters, though it has no setting for that. What the program is
// composed of in their place passes everything on.

const STAND_INS: Readonly<Record<string, string>> = {
  '/src/metrics/metered-ports.js': 'export const meterPorts = (ports) => ports;',
  '/src/metrics/metered-proofs.js': 'export const meterProofs = (proofs) => proofs;',
  '/src/late-metrics.js': `export const createLateMetrics = () => ({
    contentType: 'text/plain', load: async () => {}, observe() {}, render: async () => '',
  });`,
};

export const load: LoadHook = (url, context, nextLoad) => {
  const [, source] = Object.entries(STAND_INS).find(([path]) => url.endsWith(path)) ?? [];
  return source === undefined ? nextLoad(url, context) : { format: 'module', source, shortCircuit: true };
};
