def obj(i,j,k,o,n,*a):
 if o:
  v=S[j][0];v=v[n]if o>2 else v if n is None else getattr(v,n)
  if o==2:v=v(*(a[0]or()))
 else:v=eval(n,S.setdefault(a[0],{}));k=j
 if k:v=S[k]=v,;v=None
 return v
