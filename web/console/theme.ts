import { shallowRef, watchEffect } from 'vue';

export type Theme = 'auto' | 'light' | 'dark';

const STORED = 'console-theme';
const system = matchMedia('(prefers-color-scheme: dark)');

/** What the person chose; `auto`: as the system. */
export const theme = shallowRef<Theme>(
  (['light', 'dark'] as const).find((known) => known === localStorage.getItem(STORED)) ?? 'auto',
);

/** Keeps the page in the chosen colours. The kit reads the class, and so do we. */
export function followTheme(): void {
  const systemIsDark = shallowRef(system.matches);
  system.addEventListener('change', () => (systemIsDark.value = system.matches));
  watchEffect(
    () => {
      const dark = theme.value === 'dark' || (theme.value === 'auto' && systemIsDark.value);
      document.documentElement.classList.toggle('dark', dark);
      document.documentElement.classList.toggle('light', !dark);
      if (theme.value === 'auto') localStorage.removeItem(STORED);
      else localStorage.setItem(STORED, theme.value);
    },
    { flush: 'post' },
  );
}
