import type { TurnModel } from '../conversation/turn.ts';

export type Encoding = 'o200k_base' | 'cl100k_base';

/** One public model name in the terms of everyone who needs it. */
export interface ResolvedModel extends TurnModel {
  /** The name in our answers: dated, as the real API echoes it. */
  readonly responseModel: string;
  /** What its tokens are counted with. */
  readonly encoding: Encoding;
}

/** An entry of `GET /v1/models`. */
export interface ModelCard {
  readonly id: string;
  readonly object: 'model';
  /** Unix seconds. */
  readonly created: number;
  readonly owned_by: string;
}

/**
 * The free default. Every generation of the site has taken this slug; newer ones also know `auto`,
 * and give visitors without an account whatever they offer them, no matter what was asked.
 */
const FREE_SLUG = 'text-davinci-002-render-sha';

const GIZMO_PREFIX = 'gpt-4-gizmo-';

interface Family {
  readonly pattern: RegExp;
  readonly slug: string;
  readonly encoding: Encoding;
}

/** Name to backend slug; the first match wins, so the special names come first. */
const FAMILIES: readonly Family[] = [
  { pattern: /gpt-4o-mini/, slug: 'gpt-4o-mini', encoding: 'o200k_base' },
  { pattern: /gpt-4o/, slug: 'gpt-4o', encoding: 'o200k_base' },
  { pattern: /gpt-4-mobile/, slug: 'gpt-4-mobile', encoding: 'cl100k_base' },
  { pattern: /gpt-4-gizmo/, slug: 'gpt-4o', encoding: 'o200k_base' },
  { pattern: /gpt-4\.\d/, slug: 'gpt-4', encoding: 'o200k_base' },
  { pattern: /gpt-4/, slug: 'gpt-4', encoding: 'cl100k_base' },
  { pattern: /gpt-3\.5/, slug: FREE_SLUG, encoding: 'cl100k_base' },
  { pattern: /^auto$/, slug: 'auto', encoding: 'o200k_base' },
];

const ANY_OTHER: Pick<Family, 'slug' | 'encoding'> = { slug: FREE_SLUG, encoding: 'o200k_base' };

/** The names we list, what the real API calls them in its answers, and when they came out. */
const NAMES: readonly { readonly id: string; readonly dated: string; readonly created: number }[] = [
  { id: 'gpt-3.5-turbo', dated: 'gpt-3.5-turbo-0125', created: 1677610602 },
  { id: 'gpt-3.5-turbo-16k', dated: 'gpt-3.5-turbo-16k-0613', created: 1683758102 },
  { id: 'gpt-4', dated: 'gpt-4-0613', created: 1687882411 },
  { id: 'gpt-4-32k', dated: 'gpt-4-32k-0613', created: 1687979321 },
  { id: 'gpt-4-turbo', dated: 'gpt-4-turbo-2024-04-09', created: 1712361441 },
  { id: 'gpt-4-turbo-preview', dated: 'gpt-4-0125-preview', created: 1706037777 },
  { id: 'gpt-4-vision-preview', dated: 'gpt-4-1106-vision-preview', created: 1698894917 },
  { id: 'gpt-4-mobile', dated: 'gpt-4-mobile', created: 1687882411 },
  { id: 'gpt-4o', dated: 'gpt-4o-2024-05-13', created: 1715367049 },
  { id: 'gpt-4o-mini', dated: 'gpt-4o-mini-2024-07-18', created: 1721172741 },
  { id: 'auto', dated: 'auto', created: 1721172741 },
];

/** Of models that only the account's own list names, nobody tells when they came out. */
const CREATED_UNKNOWN = 0;

const DATED: ReadonlyMap<string, string> = new Map(NAMES.map(({ id, dated }) => [id, dated]));

const FIXED: ReadonlySet<string> = new Set(NAMES.flatMap(({ id, dated }) => [id, dated]));

const CARDS: readonly ModelCard[] = NAMES.map(({ id, created }) => toCard(id, created));

function toCard(id: string, created: number): ModelCard {
  return { id, object: 'model', created, owned_by: 'openai' };
}

/** The name means the same for every account, so that nobody's own list need be asked. */
export function isFixedName(name: string): boolean {
  return FIXED.has(name) || name.includes(GIZMO_PREFIX);
}

/**
 * Any name resolves: what is not a GPT-4 runs on the free default. `own`: the slugs that the account
 * has; one of them is used as it is, unless the name is fixed.
 */
export function resolveModel(name: string, own: readonly string[] = []): ResolvedModel {
  const { slug, encoding } = FAMILIES.find(({ pattern }) => pattern.test(name)) ?? ANY_OTHER;
  const isOwn = !isFixedName(name) && own.includes(name);
  return {
    slug: isOwn ? name : slug,
    gizmoId: gizmoIdOf(name),
    responseModel: DATED.get(name) ?? name,
    encoding,
  };
}

/** `gpt-4-gizmo-g-abc` asks for the custom GPT `g-abc`. */
function gizmoIdOf(name: string): string | null {
  const at = name.indexOf(GIZMO_PREFIX);
  return at < 0 ? null : name.slice(at + GIZMO_PREFIX.length) || null;
}

export interface ModelPage {
  readonly object: 'list';
  readonly data: readonly ModelCard[];
}

/** The names that everybody can use, then those of the account's own slugs that are not among them. */
export function listModels(own: readonly string[] = []): ModelPage {
  const others = own.filter((slug) => !DATED.has(slug)).map((slug) => toCard(slug, CREATED_UNKNOWN));
  return { object: 'list', data: [...CARDS, ...others] };
}

/** The list with what Codex looks for beside it: the same models in its own words. */
export function listModelsForCodex(own: readonly string[] = []): ModelPage & { readonly models: object[] } {
  const page = listModels(own);
  const models = page.data.map(({ id }, at) => ({
    slug: id,
    display_name: id,
    description: null,
    visibility: 'list',
    supported_in_api: true,
    priority: at,
  }));
  return { ...page, models };
}

export function findModel(id: string, own: readonly string[] = []): ModelCard | null {
  return listModels(own).data.find((card) => card.id === id) ?? null;
}
