import { fileURLToPath } from 'node:url';
import bitrix24Ui from '@bitrix24/b24ui-nuxt/vite';
import vue from '@vitejs/plugin-vue';
import { defineConfig } from 'vite';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/**
 * The pages that people look at: the settings in the portal's frame and the console. Bitrix24's own kit makes them
 * look native; components are imported by name, so that a page carries what it shows and no more.
 */
export default defineConfig({
  root: here('.'),
  // The program knows under which address it shows a page, and writes the paths itself.
  base: './',
  plugins: [
    vue(),
    bitrix24Ui({
      root: here('.'),
      dts: false,
      autoImport: false,
      colorModeStorageKey: null,
      components: { dts: here('types/components.d.ts') },
    }),
  ],
  build: {
    // One style sheet of the kit; compressed it is a tenth.
    chunkSizeWarningLimit: 1_000,
    outDir: here('../dist/web'),
    emptyOutDir: true,
    modulePreload: { polyfill: false },
    rolldownOptions: { input: { settings: here('settings/index.html'), console: here('console/index.html') } },
  },
});
