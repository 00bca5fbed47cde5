/** Callers kept in mind; the one longest unheard of is forgotten beyond this. */
const MAX_CALLERS = 10_000;
/** As long as a registered address is valid. */
const MODE_MS = 3_600_000;

/** Who was answered over a web socket lately, and will be again. */
export interface SocketModes {
  has(caller: string): boolean;
  remember(caller: string): void;
  forget(caller: string): void;
}

export function createSocketModes(nowMs: () => number): SocketModes {
  const untilMs = new Map<string, number>();
  return {
    // A caller's name is as long as his token: where nobody is known it need not be hashed.
    has: (caller) => untilMs.size > 0 && (untilMs.get(caller) ?? 0) > nowMs(),
    remember(caller) {
      untilMs.delete(caller);
      untilMs.set(caller, nowMs() + MODE_MS);
      const [oldest] = untilMs.keys();
      if (untilMs.size > MAX_CALLERS && oldest !== undefined) untilMs.delete(oldest);
    },
    forget(caller) {
      if (untilMs.size > 0) untilMs.delete(caller);
    },
  };
}
