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

const DATED: ReadonlyMap<string, string> = new Map(NAMES.map(({ id, dated }) => [id, dated]));

const CARDS: readonly ModelCard[] = NAMES.map(({ id, created }) => ({
  id,
  object: 'model',
  created,
  owned_by: 'openai',
}));

/** Any name resolves: what is not a GPT-4 runs on the free default. */
export function resolveModel(name: string): ResolvedModel {
  const { slug, encoding } = FAMILIES.find(({ pattern }) => pattern.test(name)) ?? ANY_OTHER;
  return { slug, gizmoId: gizmoIdOf(name), responseModel: DATED.get(name) ?? name, encoding };
}

/** `gpt-4-gizmo-g-abc` asks for the custom GPT `g-abc`. */
function gizmoIdOf(name: string): string | null {
  const at = name.indexOf(GIZMO_PREFIX);
  return at < 0 ? null : name.slice(at + GIZMO_PREFIX.length) || null;
}

export function listModels(): { readonly object: 'list'; readonly data: readonly ModelCard[] } {
  return { object: 'list', data: CARDS };
}

export function findModel(id: string): ModelCard | null {
  return CARDS.find((card) => card.id === id) ?? null;
}
