"""Heads planted to deceive, on the path of a run (asset, views, readings, rows): each is caught by the metric that
is there for it, and passes those that it deceives; which is which stands in each test."""
from __future__ import annotations
import math, sys, time
from dataclasses import replace
import numpy as np
import tempfile
from pathlib import Path
from idto3d.asset import AssetManifest, write_head_asset
from idto3d.expressions import EXPRESSIONS
from idto3d_eval.features import load_features, read_features
from idto3d_eval.reference import true_outer_skin
from idto3d_eval.rows.context import Head
from idto3d_eval.score import score_method
from idto3d_eval.selfcheck import drawn
from idto3d_eval.views import render_asset

def scored(meshes, families=("identity","expression","geometry"), expressions=None):
    heads=[]
    for name, of in meshes.items():
        folder=Path(tempfile.mkdtemp())
        write_head_asset(folder/'head', of, AssetManifest(method='planted',identity=name,seed=0,expressions=tuple(of)))
        render_asset(folder/'head', drawn.views(), folder/'views')
        read_features(folder/'views', drawn.models(), folder/'f.npz')
        heads.append(Head(name,0,load_features(folder/'f.npz'),asset=folder/'head',views=drawn.views()))
    refs=dict(drawn.references())
    for i in (0,1):
        own=drawn.read({'neutral':drawn.drawn(i)})
        refs[drawn.names()[i]]=replace(refs[drawn.names()[i]],truth=true_outer_skin(drawn.people()[i],own,drawn.views()))
    exps=tuple(of)
    rows=score_method([replace(h,features=h.features.asked(('neutral',))) for h in heads],refs,drawn.gallery(),('neutral',),('identity','geometry'))
    rows+=score_method(heads,refs,drawn.gallery(),exps,('expression',))
    out={}
    for r in rows: out.setdefault((r.metric,),[]).append((r.identity[-4:],r.expression,round(r.value,3),r.reason))
    return out
def show(t,o):
    print('=====',t)
    for k,v in o.items():
        vals=[x[2] for x in v]; print(k[0], vals[:14], {x[3] for x in v} if any(math.isnan(x) for x in vals) else '',flush=True)
if __name__=='__main__':
    n=drawn.names(); E=('neutral','smile','surprise','smirk')
    H=lambda i,f=lambda m,e:m: {e:f(drawn.head(i,e),e) for e in E}
    show('true',scored({n[i]:H(i) for i in (0,1)}))
    show('texture',scored({n[i]:H(i,lambda m,e:replace(m,albedo=drawn.head(i+2).albedo,roughness_metallic=drawn.head(i+2).roughness_metallic)) for i in (0,1)}))
    show('statue',scored({n[0]:{e:drawn.head(0) for e in EXPRESSIONS}}))
    show('puppet',scored({n[i]:H(i+2) for i in (0,1)}))
    fl=np.array([-1.,1,1])
    show('mirror',scored({n[i]:H(i,lambda m,e:replace(m,vertices=m.vertices*fl,faces=m.faces[:,::-1].copy())) for i in (0,1)}))
    show('careless mirror',scored({n[i]:H(i,lambda m,e:replace(m,vertices=m.vertices*fl)) for i in (0,1)}))
    show('1.2',scored({n[i]:H(i,lambda m,e:replace(m,vertices=m.vertices*1.2)) for i in (0,1)}))
