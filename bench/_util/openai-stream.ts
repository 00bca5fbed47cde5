/** The frames of a chat completion as OpenAI's API streams it: the role, what is added, the end. */
export function openaiFrames(deltas: readonly string[]): string[] {
  return [
    chunk({ role: 'assistant', content: '', refusal: null }, null),
    ...deltas.map((content) => chunk({ content }, null)),
    chunk({}, 'stop'),
    'data: [DONE]\n\n',
  ];
}

function chunk(delta: object, reason: string | null): string {
  const value = {
    id: 'chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT',
    object: 'chat.completion.chunk',
    created: 1750000000,
    model: 'gpt-4o-mini',
    service_tier: 'default',
    system_fingerprint: 'fp_06737a9306',
    choices: [{ index: 0, delta, logprobs: null, finish_reason: reason }],
  };
  return `data: ${JSON.stringify(value)}\n\n`;
}
