import { defineConfig } from 'vitest/config'

// Real Chromium and the real server: PABAL_BIN is the path of the built binary.
export default defineConfig({
  test: { include: ['test/browser/**/*.test.ts'], fileParallelism: false, testTimeout: 60_000, hookTimeout: 60_000 },
})
