def put(g,n,*a):
 g=S.setdefault(g,{})
 for k in n:g[k]=a[0];a=a[1:]
