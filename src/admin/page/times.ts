import type { Texts } from './texts.ts';

const UNIT_S = [86_400, 3_600, 60, 1] as const;

/** `4m 12s`: the largest unit that fits and the one below it. */
function duration(ms: number, { units }: Texts): string {
  let restS = Math.max(0, Math.round(ms / 1000));
  const parts: string[] = [];
  for (const [i, unitS] of UNIT_S.entries()) {
    const count = Math.floor(restS / unitS);
    if (parts.length === 0 && count === 0 && unitS > 1) continue;
    parts.push(`${count}${units[i] ?? ''}`);
    restS -= count * unitS;
    if (parts.length === 2) break;
  }
  return parts.join(' ');
}

/** `in 4m 12s` or `3h 2m ago`. */
export function relative(atMs: number, nowMs: number, texts: Texts): string {
  if (atMs >= nowMs) return texts.in(duration(atMs - nowMs, texts));
  return texts.ago(duration(nowMs - atMs, texts));
}

/** When a state ends; once the time has come, nothing: what follows is on its way. */
export function until(atMs: number | null, nowMs: number, texts: Texts): string {
  return atMs === null || atMs <= nowMs ? '' : texts.in(duration(atMs - nowMs, texts));
}
