import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { client } from './clientbuild.ts'

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url))

// The output is committed, so that the server builds without Node: the same sources must give the same bytes.
export default defineConfig({
  plugins: [client()],
  resolve: { alias: { pabal: path('../js/src/index.ts') } },
  build: {
    target: 'es2022',
    assetsInlineLimit: 0, // data: URLs would need holes in the Content-Security-Policy
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: {
        home: path('index.html'),
        lab: path('lab/index.html'),
        chat: path('demo/chat/index.html'),
        match: path('demo/match/index.html'),
        monitor: path('demo/monitor/index.html'),
        duel: path('demo/duel/index.html'),
        missing: path('404.html'),
      },
    },
  },
  test: { include: ['src/**/*.test.ts', 'dist.test.ts'] },
})
