/**
 * Copies a text, when somebody has pressed something; false: the browser does not let the page. By a field that is chosen
 * and copied as a person would: a frame of another site is mostly kept from the clipboard itself, and the browser complains.
 */
export async function copyText(text: string): Promise<boolean> {
  if (copyFromField(text)) return true;
  return navigator.clipboard.writeText(text).then(
    () => true,
    () => false,
  );
}

function copyFromField(text: string): boolean {
  const before = document.activeElement;
  const field = document.createElement('textarea');
  field.value = text;
  field.style.position = 'fixed';
  field.style.opacity = '0';
  document.body.append(field);
  field.select();
  try {
    return document.execCommand('copy');
  } finally {
    field.remove();
    if (before instanceof HTMLElement) before.focus();
  }
}
