import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import bitrix24Ui from '@bitrix24/b24ui-nuxt/vite';
import vue from '@vitejs/plugin-vue';
import { defineConfig, type Plugin } from 'vite';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** What is smaller travels in one packet as it is; bytes. */
const WORTH_COMPRESSING = 1_000;

/** Beside each script and style its compressed forms, so that the program need not compress anything. */
function compressed(): Plugin {
  return {
    name: 'compressed-assets',
    apply: 'build',
    closeBundle() {
      const folder = here('../dist/web/assets/');
      for (const name of readdirSync(folder).filter((file) => /\.(?:js|css|svg)$/.test(file))) {
        const content = readFileSync(folder + name);
        if (content.length < WORTH_COMPRESSING) continue;
        const params = { [constants.BROTLI_PARAM_SIZE_HINT]: content.length };
        writeFileSync(`${folder}${name}.br`, brotliCompressSync(content, { params }));
        writeFileSync(`${folder}${name}.gz`, gzipSync(content, { level: 9 }));
      }
    },
  };
}

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
      // It would write to the storage of the browser: shared/color-scheme.ts follows the system without.
      colorMode: false,
      components: { dts: here('types/components.d.ts') },
    }),
    compressed(),
  ],
  build: {
    // One style sheet of the kit; compressed it is a tenth.
    chunkSizeWarningLimit: 1_000,
    outDir: here('../dist/web'),
    emptyOutDir: true,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: {
        card: here('card/index.html'),
        settings: here('settings/index.html'),
        console: here('console/index.html'),
        panel: here('panel/index.html'),
      },
    },
  },
});
