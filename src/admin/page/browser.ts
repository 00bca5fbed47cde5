/**
 * What the page uses of the browser, and no more. Written out because the program is compiled once, for Node.js:
 * with the whole DOM in scope, the server's code could reach for `document`, too.
 */
export interface PageElement {
  textContent: string | null;
  className: string;
  hidden: boolean;
  disabled: boolean;
  value: string;
  readonly files: ArrayLike<{ readonly name: string; text(): Promise<string> }> | null;
  readonly style: { setProperty(name: string, value: string): void };
  append(...children: (PageElement | string)[]): void;
  replaceChildren(...children: (PageElement | string)[]): void;
  remove(): void;
  contains(other: PageElement | null): boolean;
  setAttribute(name: string, value: string): void;
  getAttribute(name: string): string | null;
  removeAttribute(name: string): void;
  addEventListener(type: string, listener: (event: PageEvent) => void): void;
  focus(): void;
  select(): void;
}

export interface PageEvent {
  preventDefault(): void;
}

export interface EventStream {
  /** 2: closed for good. */
  readonly readyState: number;
  addEventListener(type: string, listener: (event: { readonly data: string }) => void): void;
  close(): void;
}

interface Browser {
  readonly document: {
    readonly body: PageElement;
    readonly documentElement: PageElement;
    readonly activeElement: PageElement | null;
    title: string;
    createElement(tag: string): PageElement;
  };
  readonly navigator: {
    readonly language: string;
    /** Only where the page came over https or from this machine. */
    readonly clipboard?: { writeText(text: string): Promise<void> };
  };
  readonly localStorage: {
    getItem(name: string): string | null;
    setItem(name: string, value: string): void;
  };
  readonly EventSource: new (url: string) => EventStream;
  confirm(question: string): boolean;
  requestAnimationFrame(callback: () => void): number;
}

export const browser = globalThis as unknown as Browser;
