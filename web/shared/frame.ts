/**
 * Tells the portal how tall its frame has to be, each time the page grows or shrinks: the message that
 * `BX24.fitWindow()` sends (`command:parameters:callback:APP_SID`), without loading that library. Where nobody listens
 * the page scrolls by itself.
 */
export function fitFrame(content: HTMLElement, portalOrigin: string): void {
  const sid = new URLSearchParams(location.search).get('APP_SID');
  if (parent === window || !sid) return;
  let told = 0;
  new ResizeObserver(() => {
    const height = Math.ceil(content.getBoundingClientRect().height);
    if (height === told) return;
    told = height;
    parent.postMessage(`resizeWindow:${JSON.stringify({ width: '100%', height })}:fit:${sid}`, portalOrigin);
  }).observe(content);
}

/** Asks the portal for a frame of this height: inside it the page scrolls by itself. CSS pixels. */
export function askHeight(height: number, portalOrigin: string): void {
  const sid = new URLSearchParams(location.search).get('APP_SID');
  if (parent === window || !sid) return;
  parent.postMessage(`resizeWindow:${JSON.stringify({ width: '100%', height })}:fit:${sid}`, portalOrigin);
}
