// Runs in every page before its own scripts: counts the calls that are under way, so that a test knows when a page has
// everything it asked for.
{
  const real = globalThis.fetch;
  let open = 0;
  let last = performance.now();
  globalThis.fetch = async (...call) => {
    open += 1;
    try {
      return await real(...call);
    } finally {
      open -= 1;
      last = performance.now();
    }
  };
  globalThis.settledFor = () => (open > 0 ? 0 : performance.now() - last);
}
