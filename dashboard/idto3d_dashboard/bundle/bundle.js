// Draws a bundle's charts and mounts its heads; a page opened from disk has nobody else to do it.
(() => {
  "use strict";
  const LOOKS = ["colour", "clay", "normals", "wireframe", "albedo"];
  const dark = matchMedia("(prefers-color-scheme: dark)");

  function draw() {
    const ink = getComputedStyle(document.body).color;
    for (const place of document.querySelectorAll("[data-chart]")) {
      const chart = (globalThis.IDTO3D_CHARTS ?? {})[place.dataset.chart];
      if (!chart) continue;
      const line = "rgba(128,128,128,.3)";
      const axis = { gridcolor: line, zerolinecolor: line, linecolor: line };
      const layout = {
        ...chart.layout,
        template: undefined,
        width: undefined,
        autosize: true,
        paper_bgcolor: "rgba(0,0,0,0)",
        plot_bgcolor: "rgba(0,0,0,0)",
        font: { color: ink, family: "inherit", size: 12 },
      };
      for (const name of Object.keys(layout)) {
        if (/^[xy]axis\d*$/.test(name)) layout[name] = { automargin: true, ...axis, ...layout[name] };
      }
      layout.xaxis = { automargin: true, ...axis, ...layout.xaxis };
      layout.yaxis = { automargin: true, ...axis, ...layout.yaxis };
      Plotly.react(place, chart.data, layout, { displaylogo: false, responsive: true, displayModeBar: false });
    }
  }

  // Meshes are scripts, since a page from disk may fetch nothing: loaded once their heads are in sight.
  const loaded = new Map();
  function load(name) {
    if (!loaded.has(name)) {
      loaded.set(name, new Promise((done) => {
        const script = document.createElement("script");
        script.src = `files/${name}.js`;
        script.onload = script.onerror = () => done();
        document.head.append(script);
      }));
    }
    return loaded.get(name);
  }

  function mount(place) {
    const spec = JSON.parse(place.querySelector("script").textContent);
    const bar = document.createElement("div");
    bar.className = "looks";
    bar.setAttribute("role", "group");
    bar.setAttribute("aria-label", "Look");
    const heads = document.createElement("div");
    place.append(bar, heads);
    const files = spec.heads.map((head) => head.glb).filter((glb) => glb && glb.file);
    const meshed = Promise.all(files.map((glb) => load(glb.file)));
    heads.textContent = "Loading heads …";
    meshed.then(() => {
      heads.textContent = "";
      const mounted = headsViewer.mountHeads(heads, spec);
      for (const look of LOOKS) {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = look;
        button.setAttribute("aria-pressed", String(look === spec.look));
        button.addEventListener("click", () => {
          spec.look = look;
          mounted.update({ ...spec });
          for (const other of bar.children) other.setAttribute("aria-pressed", String(other === button));
        });
        bar.append(button);
      }
    });
  }

  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      seen.unobserve(entry.target);
      mount(entry.target);
    }
  }, { rootMargin: "300px" });
  for (const place of document.querySelectorAll(".heads")) seen.observe(place);
  draw();
  dark.addEventListener("change", draw);
})();
