import type { SpanExporter } from '@opentelemetry/sdk-trace-base';
import type { Tracing } from './tracing.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** Who gets the spans. */
type Exporter = 'http/protobuf' | 'http/json' | 'console';

const NAME = 'chat2api';
/** Lines of packages that run on every Node.js that this program does. */
const INSTALL =
  'npm install --no-save @opentelemetry/api@1.9 @opentelemetry/sdk-trace-base@2 @opentelemetry/resources@2';
const EXPORTER_PACKAGES = {
  'http/protobuf': ' @opentelemetry/exporter-trace-otlp-proto@0.223',
  'http/json': ' @opentelemetry/exporter-trace-otlp-http@0.223',
  console: '',
} as const;

/**
 * Traces, when the standard variables ask for them; null: they do not, or it cannot be, which `warn` is told.
 * The packages are loaded here and nowhere else. They read the rest of the variables from the process's own
 * environment: sampler, endpoint, headers, limits.
 */
export async function loadTracing(env: Env, warn: (message: string) => void): Promise<Tracing | null> {
  const exporter = exporterOf(env, warn);
  if (exporter === null) return null;
  try {
    return await createFrom(exporter, warn);
  } catch (thrown) {
    const isMissing = thrown instanceof Error && 'code' in thrown && thrown.code === 'ERR_MODULE_NOT_FOUND';
    if (!isMissing) throw thrown;
    const command = INSTALL + EXPORTER_PACKAGES[exporter];
    warn(`OTEL_* variables ask for traces, but the packages are not installed: ${command}`);
    return null;
  }
}

function exporterOf(env: Env, warn: (message: string) => void): Exporter | null {
  const read = (name: string): string | undefined => env[name]?.trim() || undefined;
  if (read('OTEL_SDK_DISABLED')?.toLowerCase() === 'true') return null;
  const hasEndpoint = ['OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'].some(read);
  const wanted = read('OTEL_TRACES_EXPORTER') ?? (hasEndpoint ? 'otlp' : 'none');
  if (wanted === 'none') return null;
  if (wanted === 'console') return wanted;
  if (wanted !== 'otlp') return refuse('OTEL_TRACES_EXPORTER', 'otlp, console or none', warn);
  const protocol =
    read('OTEL_EXPORTER_OTLP_TRACES_PROTOCOL') ?? read('OTEL_EXPORTER_OTLP_PROTOCOL') ?? 'http/protobuf';
  if (protocol === 'http/protobuf' || protocol === 'http/json') return protocol;
  return refuse('OTEL_EXPORTER_OTLP_PROTOCOL', 'http/protobuf or http/json', warn);
}

function refuse(name: string, known: string, warn: (message: string) => void): null {
  warn(`no traces: ${name} may be ${known} here`);
  return null;
}

async function createFrom(exporter: Exporter, warn: (message: string) => void): Promise<Tracing> {
  const [api, sdk, { defaultResource, detectResources, envDetector, resourceFromAttributes }, { Tracing }] =
    await Promise.all([
      import('@opentelemetry/api'),
      import('@opentelemetry/sdk-trace-base'),
      import('@opentelemetry/resources'),
      import('./tracing.ts'),
    ]);
  const own = resourceFromAttributes({ 'service.name': NAME });
  const named = defaultResource().merge(own);
  const provider = new sdk.BasicTracerProvider({
    resource: named.merge(detectResources({ detectors: [envDetector] })),
    spanProcessors: [
      exporter === 'console'
        ? new sdk.SimpleSpanProcessor(new sdk.ConsoleSpanExporter())
        : new sdk.BatchSpanProcessor(await createExporter(exporter)),
    ],
  });
  tellOfTrouble(api, warn);
  return new Tracing(api, provider.getTracer(NAME), () => provider.shutdown());
}

async function createExporter(protocol: Exclude<Exporter, 'console'>): Promise<SpanExporter> {
  const { OTLPTraceExporter } =
    protocol === 'http/json'
      ? await import('@opentelemetry/exporter-trace-otlp-http')
      : await import('@opentelemetry/exporter-trace-otlp-proto');
  return new OTLPTraceExporter();
}

/** Once, and not in the packages' own words, which may quote an address or an answer. */
function tellOfTrouble({ diag }: typeof import('@opentelemetry/api'), warn: (message: string) => void): void {
  let isTold = false;
  const quiet = (): void => {};
  diag.setLogger({
    error() {
      if (!isTold)
        warn('traces cannot be delivered: look at the OTEL_EXPORTER_OTLP_* variables and the collector');
      isTold = true;
    },
    warn: quiet,
    info: quiet,
    debug: quiet,
    verbose: quiet,
  });
}
