import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const page = (path: string) => fileURLToPath(new URL(path, import.meta.url))

// The output is committed, so that the server builds without Node: the same sources must give the same bytes.
export default defineConfig({
  build: {
    target: 'es2022',
    assetsInlineLimit: 0, // data: URLs would need holes in the Content-Security-Policy
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: { home: page('index.html'), monitor: page('demo/monitor/index.html'), missing: page('404.html') },
    },
  },
  test: { include: ['src/**/*.test.ts', 'dist.test.ts'] },
})
