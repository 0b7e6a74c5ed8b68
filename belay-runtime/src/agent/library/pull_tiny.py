def pull(i,j,*a):
 if i:S[j]=T[i](*a)
 try:return 1,[next(S[j])]
 except StopIteration:del S[j];return 0,[]
