/** The program cannot start, or not keep what it was told. The message says why and what to do, without secrets. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
}

/** What the system calls a failure (`EACCES`, `SQLITE_FULL`), fit for a message. */
export function failureCode(thrown: unknown): string {
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : null;
  return typeof code === 'string' && code !== '' ? code : 'unknown error';
}
