/** `99.7 %`; an en dash while there is nothing to divide by. Only what is whole is called 100. */
export function successRate({
  succeeded,
  failed,
}: {
  readonly succeeded: number;
  readonly failed: number;
}): string {
  const attempts = succeeded + failed;
  if (attempts === 0) return '–';
  const percent = (succeeded / attempts) * 100;
  return failed === 0 ? '100 %' : `${Math.min(percent, 99.9).toFixed(percent < 10 ? 0 : 1)} %`;
}
