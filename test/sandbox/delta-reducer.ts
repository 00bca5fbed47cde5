interface Delta {
  readonly p?: string;
  readonly o?: string;
  readonly v?: unknown;
  readonly c?: number;
}

type Container = Record<string, unknown>;

/**
 * The documents that a delta stream builds, by counter. With `resetsAtSnapshot`, path and
 * operation are forgotten whenever a document is installed, as some clients do.
 */
export function reduceDeltas(deltas: readonly Delta[], resetsAtSnapshot: boolean): Map<number, unknown> {
  const documents = new Map<number, unknown>();
  let [path, operation, counter] = ['', 'add', 0];
  for (const delta of deltas) {
    path = delta.p ?? path;
    operation = delta.o ?? operation;
    counter = delta.c ?? counter;
    const root = { document: documents.get(counter) };
    apply(root, path, operation, structuredClone(delta.v));
    documents.set(counter, root.document);
    if (resetsAtSnapshot && delta.c !== undefined) [path, operation] = ['', 'add'];
  }
  return documents;
}

function apply(root: { document: unknown }, path: string, operation: string, value: unknown): void {
  if (operation === 'patch') {
    for (const item of value as { p: string; o: string; v: unknown }[]) {
      apply(root, path + item.p, item.o, item.v);
    }
    return;
  }
  const keys = ['document', ...path.split('/').slice(1).map(unescapeKey)];
  const last = keys.pop() ?? '';
  const parent = keys.reduce<Container>((at, key) => at[key] as Container, root as Container);
  if (operation === 'remove') delete parent[last];
  else if (operation === 'truncate') parent[last] = String(parent[last]).slice(0, Number(value));
  else if (operation === 'append') parent[last] = append(parent[last], value);
  else if (operation === 'add' || operation === 'replace') parent[last] = value;
  else throw new Error(`unknown operation ${operation}`);
}

function append(before: unknown, value: unknown): unknown {
  if (typeof before === 'string') return before + String(value);
  if (Array.isArray(before)) return [...before, ...(Array.isArray(value) ? value : [value])];
  return { ...(before as Container), ...(value as Container) };
}

function unescapeKey(key: string): string {
  return key.replaceAll('~1', '/').replaceAll('~0', '~');
}
