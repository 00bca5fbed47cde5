import { BadValue } from './setting-value.ts';
import { SETTINGS, type Setting, type SettingValue } from './settings.ts';

/** Variables by name, as in `process.env`. */
export type Env = Readonly<Record<string, string | undefined>>;

type ValueOf<S> = S extends Setting<infer T> ? T : never;

/**
 * The settings in force, frozen. Times are in ms and sizes in bytes where the key says so;
 * `apiPrefix` is empty or starts with a slash; URLs end without one; null means not set.
 */
export type Config = { readonly [K in keyof typeof SETTINGS]: ValueOf<(typeof SETTINGS)[K]> };

/** Everything wrong with the settings; the message has one line per bad variable and no secrets. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

/** Unknown variables are ignored: an environment is full of other programs' ones. Throws ConfigError. */
export function parseConfig(env: Env): Config {
  const problems: string[] = [];
  const config: Record<string, SettingValue> = {};
  for (const [key, setting] of Object.entries<Setting>(SETTINGS)) {
    config[key] = readSetting(setting, env, problems);
  }
  if (problems.length > 0) throw new ConfigError(problems);
  // Each key got what its own row's parser returns.
  return Object.freeze(config) as Config;
}

function readSetting(setting: Setting, env: Env, problems: string[]): SettingValue {
  const name = [setting.name, ...setting.aliases].find((candidate) => env[candidate]?.trim());
  const text = name === undefined ? undefined : env[name]?.trim();
  if (name === undefined || text === undefined) return setting.fallback;
  try {
    return setting.parse(text);
  } catch (error) {
    if (!(error instanceof BadValue)) throw error;
    problems.push(
      `${name}: ${subjectOf(error, setting, text)} ${error.message} (example: ${name}=${setting.example})`,
    );
    return setting.fallback;
  }
}

/** Items of lists are named by position: lists hold credentials more often than not. */
function subjectOf(error: BadValue, setting: Setting, text: string): string {
  if (error.item !== null) return `item ${error.item}`;
  // Nor is a URL with a login in it repeated, where none belongs.
  return setting.secret || text.includes('@') ? 'the value' : JSON.stringify(text.slice(0, 60));
}
