// Shows the values under the pointer. Everything else on the page works without this script.
for (const plot of document.querySelectorAll('.plot')) {
  const data = JSON.parse(plot.dataset.plot);
  const svg = plot.querySelector('svg');
  const tip = plot.querySelector('.tip');
  const cross = plot.querySelector('.cross');
  const leave = () => { tip.hidden = true; cross.style.visibility = 'hidden'; };
  plot.addEventListener('pointerleave', leave);
  plot.addEventListener('pointermove', (event) => {
    const box = svg.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
    let best = 0;
    data.x.forEach((x, n) => { if (Math.abs(x - at) < Math.abs(data.x[best] - at)) best = n; });
    const shown = data.lines.filter((line) => line.v[best] !== null);
    if (!shown.length) { leave(); return; }
    tip.replaceChildren(Object.assign(document.createElement('b'), { textContent: data.label[best] }));
    for (const line of shown) {
      const value = line.v[best].toLocaleString('en', { maximumSignificantDigits: 4 });
      const row = Object.assign(document.createElement('div'), { className: `key ${line.css}` });
      row.textContent = `${line.name} ${value} ${data.unit}`;
      tip.append(row);
    }
    cross.setAttribute('transform', `translate(${data.x[best]} 0)`);
    cross.style.visibility = 'visible';
    tip.hidden = false;
    const left = (data.x[best] / svg.viewBox.baseVal.width) * box.width;
    tip.style.left = `${left > box.width / 2 ? left - tip.offsetWidth - 12 : left + 12}px`;
  });
}
