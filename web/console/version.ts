/** Version of the program that served this page; empty while the page is developed without it. */
export const version: string = versionOf(document.getElementById('bootstrap')?.textContent);

function versionOf(bootstrap: string | null | undefined): string {
  return bootstrap ? (JSON.parse(bootstrap) as { version: string }).version : '';
}
