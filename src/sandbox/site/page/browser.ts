/** What the page uses of a browser. Written out, for the program is compiled once, without the whole DOM in scope. */
export interface PageElement {
  textContent: string | null;
  value: string;
  disabled: boolean;
  className: string;
  append(...children: (PageElement | string)[]): void;
  setAttribute(name: string, value: string): void;
  addEventListener(type: string, listener: (event: { preventDefault(): void }) => void): void;
  focus(): void;
}

export interface PageSocket {
  addEventListener(type: string, listener: (event: { readonly data: string }) => void): void;
  send(text: string): void;
  close(): void;
}

interface Browser {
  readonly document: {
    cookie: string;
    createElement(tag: string): PageElement;
    getElementById(id: string): PageElement | null;
  };
  readonly location: { readonly href: string; readonly origin: string };
  readonly navigator: { readonly userAgent: string };
  /** There only where the page came over https or from this machine. */
  readonly crypto: { getRandomValues(bytes: Uint8Array): Uint8Array };
  readonly WebSocket: new (url: string) => PageSocket;
}

export const browser = globalThis as unknown as Browser;
