/** An answer that was a refusal; its message is the server's, written for people. */
class ApiError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** The admin API, relative to the page: it works under any prefix. */
export class Api {
  /** Of the session; goes with whatever changes something. */
  #csrf = '';
  readonly #onLoggedOut: () => void;

  constructor(onLoggedOut: () => void) {
    this.#onLoggedOut = onLoggedOut;
  }

  /** Is there a session already? */
  async resume(): Promise<boolean> {
    return this.#keep(await this.get<SessionAnswer>('session'));
  }

  async logIn(key: string): Promise<void> {
    this.#keep(await this.#call<SessionAnswer>('POST', 'login', { key }));
  }

  async logOut(): Promise<void> {
    await this.post('logout');
    this.#csrf = '';
  }

  get<T>(path: string): Promise<T> {
    return this.#guarded<T>('GET', path);
  }

  post<T>(path: string, body?: object): Promise<T> {
    return this.#guarded<T>('POST', path, body);
  }

  remove<T>(path: string): Promise<T> {
    return this.#guarded<T>('DELETE', path);
  }

  async #guarded<T>(method: string, path: string, body?: object): Promise<T> {
    try {
      return await this.#call<T>(method, path, body);
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) this.#onLoggedOut();
      throw error;
    }
  }

  async #call<T>(method: string, path: string, body?: object): Promise<T> {
    const answer = await fetch(`admin/${path}`, {
      method,
      headers: { 'content-type': 'application/json', 'x-csrf-token': this.#csrf },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const value: unknown = await answer.json().catch(() => null);
    if (!answer.ok) throw new ApiError(answer.status, messageOf(value) ?? `HTTP ${answer.status}`);
    return value as T;
  }

  #keep({ authenticated, csrf = '' }: SessionAnswer): boolean {
    this.#csrf = csrf;
    return authenticated;
  }
}

interface SessionAnswer {
  readonly authenticated: boolean;
  readonly csrf?: string;
}

function messageOf(value: unknown): string | null {
  const message = (value as { error?: { message?: unknown } } | null)?.error?.message;
  return typeof message === 'string' ? message : null;
}
